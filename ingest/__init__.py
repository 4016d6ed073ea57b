"""Camera to FrameMessage: one process per camera reads, thins, scales, masks and publishes pictures."""
