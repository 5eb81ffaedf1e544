"""Oracles: a network, an estimator, an ONNX file or an HTTP endpoint behind one interface."""
