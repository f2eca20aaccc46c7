"""The results of a comparison or a load run: summary, printing, gate and diff."""
