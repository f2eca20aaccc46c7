"""Do endpoints give the same answers?"""
