"""Baselines: servers as they are commonly written. The product does not import them.

The servers stand alone on purpose and share no code, because each is a complete deployment. All take
`{"features":[5.1,3.5,1.4,0.2]}`; the fixed ones answer as many bytes as a prediction has, without a model.
"""
