"""Text and fingerprints of images, read in processes of their own."""
