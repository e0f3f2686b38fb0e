"""From a course's own questions to a tuned model that the service loads: the command `keben finetune`."""
