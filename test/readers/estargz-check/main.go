// Reads a blob of eStargz or zstd:chunked with the library that lazily pulling snapshotters use: opens it, verifies the TOC against a
// digest and every chunk against the TOC, reads every file, and prints what it found as a JSON array.
//
//	estargz-check BLOB TOC-DIGEST [TOC]
//
// TOC is the layer of another image that holds the TOC, where the blob does not.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/containerd/stargz-snapshotter/estargz"
	digest "github.com/opencontainers/go-digest"
)

type found struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Size     int64  `json:"size"`
	Mode     uint32 `json:"mode"`
	UID      int    `json:"uid"`
	GID      int    `json:"gid"`
	LinkName string `json:"linkName"`
	Modtime  int64  `json:"modtime"`
	DevMajor int    `json:"devMajor"`
	DevMinor int    `json:"devMinor"`
	// Values in base64.
	Xattrs map[string][]byte `json:"xattrs"`
	// Of a regular file's content, as read.
	Digest string `json:"digest"`
	Chunks int    `json:"chunks"`
	// Where the content lies in the blob: shows the order.
	Offset int64 `json:"offset"`
}

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		fail(fmt.Errorf("usage: estargz-check BLOB TOC-DIGEST [TOC]"))
	}
	list, err := check(os.Args[1], os.Args[2], append(os.Args, "")[3])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(list); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func check(path, tocDigest, toc string) ([]found, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	known, err := decompressors(toc)
	if err != nil {
		return nil, err
	}
	reader, err := estargz.Open(io.NewSectionReader(file, 0, info.Size()), estargz.WithDecompressors(known...))
	if err != nil {
		return nil, err
	}
	verifier, err := verifierOf(reader, digest.Digest(tocDigest))
	if err != nil {
		return nil, err
	}
	root, ok := reader.Lookup("")
	if !ok {
		return nil, fmt.Errorf("the blob has no root directory")
	}
	list := []found{}
	if err := walk(reader, verifier, "", root, &list); err != nil {
		return nil, err
	}
	sort.Slice(list, func(a, b int) bool { return list[a].Name < list[b].Name })
	return list, nil
}

// The library's own, which takes each offset for that of one chunk; where chunks share members, what it does there done
// here: the TOC's digest first, then each chunk's.
func verifierOf(reader *estargz.Reader, tocDigest digest.Digest) (estargz.TOCEntryVerifier, error) {
	verifier, err := reader.VerifyTOC(tocDigest)
	if err == nil || !strings.Contains(err.Error(), "found twice") {
		return verifier, err
	}
	if found := reader.TOCDigest(); found != tocDigest {
		return nil, fmt.Errorf("invalid TOC JSON %q; want %q", found, tocDigest)
	}
	return byChunkDigest{}, nil
}

type byChunkDigest struct{}

func (byChunkDigest) Verifier(chunk *estargz.TOCEntry) (digest.Verifier, error) {
	expected, err := digest.Parse(chunk.ChunkDigest)
	if err != nil {
		return nil, err
	}
	return expected.Verifier(), nil
}

// Every name below a directory. Names of one hard-linked file all lead to the same entry.
func walk(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, path string, entry *estargz.TOCEntry, list *[]found) (err error) {
	item := found{
		Name: path, Type: entry.Type, Size: entry.Size, Mode: uint32(entry.Mode), UID: entry.UID, GID: entry.GID,
		LinkName: entry.LinkName, DevMajor: entry.DevMajor, DevMinor: entry.DevMinor, Xattrs: entry.Xattrs, Offset: entry.Offset,
	}
	if !entry.ModTime().IsZero() {
		item.Modtime = entry.ModTime().Unix()
	}
	if entry.Type == "reg" {
		// The library finds chunks by the file's first name only.
		if item.Digest, item.Chunks, err = content(reader, verifier, entry); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if path != "" {
		*list = append(*list, item)
	}
	entry.ForeachChild(func(name string, child *estargz.TOCEntry) bool {
		childPath := name
		if path != "" {
			childPath = path + "/" + name
		}
		err = walk(reader, verifier, childPath, child, list)
		return err == nil
	})
	return err
}

// Reads a file chunk by chunk, each against its digest, and the whole against the file's.
func content(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, entry *estargz.TOCEntry) (string, int, error) {
	whole := sha256.New()
	chunks := 0
	if entry.Size > 0 {
		file, err := reader.OpenFile(entry.Name)
		if err != nil {
			return "", 0, err
		}
		for offset := int64(0); offset < entry.Size; chunks++ {
			chunk, ok := reader.ChunkEntryForOffset(entry.Name, offset)
			if !ok || chunk.ChunkOffset != offset || chunk.ChunkSize <= 0 {
				return "", 0, fmt.Errorf("no chunk begins at %d", offset)
			}
			check, err := verifier.Verifier(chunk)
			if err != nil {
				return "", 0, err
			}
			section := io.NewSectionReader(file, offset, chunk.ChunkSize)
			if copied, err := io.Copy(io.MultiWriter(whole, check), section); err != nil || copied != chunk.ChunkSize {
				return "", 0, fmt.Errorf("the chunk at %d: read %d of %d bytes: %v", offset, copied, chunk.ChunkSize, err)
			}
			if !check.Verified() {
				return "", 0, fmt.Errorf("the chunk at %d does not match its digest", offset)
			}
			offset += chunk.ChunkSize
		}
	}
	sum := fmt.Sprintf("sha256:%x", whole.Sum(nil))
	if sum != entry.Digest {
		return "", 0, fmt.Errorf("the content has %s, the TOC says %s", sum, entry.Digest)
	}
	return sum, chunks, nil
}
