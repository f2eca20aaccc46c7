"""Load from several machines: Dask places, starts and watches one engine on each worker, and the rows come back."""
