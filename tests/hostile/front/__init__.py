"""The hostile suite of what people use: the command line and the pages."""
