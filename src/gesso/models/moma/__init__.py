"""MoMA (arXiv 2404.05674): a multimodal language model that tells a painter how this subject is to look."""
