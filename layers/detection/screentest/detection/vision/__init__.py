"""One module a network. Boxes and points go out in pixels of the working frame (`pictures.Picture.size`)."""
