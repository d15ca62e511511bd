"""Fine-tuning: one more kind of candidate, with a pretrained model in the place of layers."""
