"""ONNX Runtime: .onnx files."""
