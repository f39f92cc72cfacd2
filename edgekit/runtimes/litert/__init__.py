"""LiteRT: .tflite files."""
