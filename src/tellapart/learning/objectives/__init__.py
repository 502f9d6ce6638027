"""What is minimised: margin softmax, triplets, contrastive losses."""
