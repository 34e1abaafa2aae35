"""What tests of several folders share: doubles of the world around the functions, and pieces of a local AWS."""
