"""Detections in octets, and the judgement that follows from them."""
