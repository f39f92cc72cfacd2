"""OpenVINO: .xml and .bin files."""
