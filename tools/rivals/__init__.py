"""What ours is measured against, each as it is written in the wild; nothing of the product imports them.

The servers stand alone on purpose and repeat each other, because each is what somebody would deploy. All take
`{"features":[5.1,3.5,1.4,0.2]}`; the fixed ones answer as much as a prediction is, without a model behind it.
"""
