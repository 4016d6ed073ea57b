"""FrameMessage to Observation: finds faces, then judges masks, over batches of many cameras."""
