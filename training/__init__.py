"""From a data set to a served artifact: choose a model by cross-validation, export it twice, prove both equal."""
