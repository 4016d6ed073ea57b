"""Data to model to ONNX to report. The only room that knows TensorFlow."""
