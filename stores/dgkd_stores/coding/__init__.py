"""Values as bytes: canonical JSON, encodings of rows, codecs of chunks, and digests."""
