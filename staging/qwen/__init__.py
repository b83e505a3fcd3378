"""Qwen2.5-VL in this process: loading a checkpoint, and asking it about a night of windows."""
