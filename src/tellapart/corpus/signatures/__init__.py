"""What gives a programming language away when neither name nor declaration does."""
