// The header is all: the code comes from the toolchain.
