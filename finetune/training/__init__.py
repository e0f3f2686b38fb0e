"""Training by XTuner, which has an environment of its own: rendered config, subprocess, checkpoints, memory."""
