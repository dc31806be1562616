package main

import (
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/containerd/stargz-snapshotter/estargz/externaltoc"
	"github.com/containerd/stargz-snapshotter/estargz/zstdchunked"
)

// Built with main.go over a later version of the library: the TOC may be a file of its own, a tar in gzip.
func decompressors(toc string) ([]estargz.Decompressor, error) {
	external := externaltoc.NewGzipDecompressor(func() ([]byte, error) { return os.ReadFile(toc) })
	return []estargz.Decompressor{new(zstdchunked.Decompressor), external}, nil
}
