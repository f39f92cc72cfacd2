"""The commands, a file each: read arguments, call one function, print what it returns."""
