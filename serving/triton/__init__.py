"""Model repositories of NVIDIA Triton: configurations, files, and the models that run there."""
