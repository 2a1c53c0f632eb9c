"""The convolution of a few planes to one."""
