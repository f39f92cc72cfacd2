"""The latency and energy model: measured tables of operators and what corrects their sum."""
