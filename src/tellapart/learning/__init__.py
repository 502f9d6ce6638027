"""Learning to tell apart: objectives, sharded class centres, encoders. The only room that imports torch."""
