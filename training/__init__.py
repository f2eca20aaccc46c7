"""From a data set to a served artifact: choose a model by cross-validation, export it twice, prove both equal."""

from inference.settings import quiet_native_libraries

# Before numpy is imported: with OpenBLAS's kernels for some processors the last digits depend on the number of threads.
quiet_native_libraries()
