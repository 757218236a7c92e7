"""xairank: which explanation method should I trust for my defect classifier?

Trains a classifier of defects on images with pixel masks, explains every correctly classified defect with several
attribution methods, scores each map by how much of it lies on the real defect, and ranks the methods.
"""
