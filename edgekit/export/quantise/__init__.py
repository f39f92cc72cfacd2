"""From a file in fp32 to the same in less: one module a format, and the search over schemes."""
