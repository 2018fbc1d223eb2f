"""One module or small package per platform; a channel only translates. The contract is `base`."""
