"""maskwatch: streaming multi-camera face-mask compliance."""

__version__ = "0.1.0"
