"""The pure core: values in, values out; no clock, files, processes or logging."""
