"""Do two endpoints give the same answers?"""
