"""What both serving targets share: the model card, the model, the contract and the reply.

Both load it in a cold start, so it imports only the standard library at module level. The runtime that needs numpy,
ONNX Runtime or scikit-learn imports it.
"""
