"""What both serving targets share: the model card, the model, the contract and the reply.

It is on the cold start of both, so it imports only the standard library at module level; numpy, ONNX Runtime
and scikit-learn are imported by the runtime that needs them.
"""
