"""Reads text and fingerprints of images, in processes of their own."""
