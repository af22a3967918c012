"""Offline, densely guided knowledge distillation: deterministic views, cached guides, dense guidance."""
