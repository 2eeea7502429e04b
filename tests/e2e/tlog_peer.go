// The other side of test_tlog.py: reads a log of ours with Go's sumdb/note and sumdb/tlog, and writes one for us.
//
//	tlog_peer read WWW VKEY [PROOF ENTRY]    tlog_peer write WWW NAME SIZE SALT   (prints the verifier key)
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func must(ok bool, why string) {
	if !ok {
		check(fmt.Errorf("%s", why))
	}
}

// "tile/8/0/x001/234.p/5" of Go's database is "tile/0/x001/234.p/5" here.
func path(t tlog.Tile) string { return "tile/" + strings.TrimPrefix(t.Path(), "tile/8/") }

type files struct{ dir string }

func (f files) Height() int                         { return 8 }
func (f files) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f files) ReadTiles(ts []tlog.Tile) (out [][]byte, err error) {
	for _, t := range ts {
		data, err := os.ReadFile(filepath.Join(f.dir, path(t)))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func parseCheckpoint(text string) (size int64, root tlog.Hash) {
	lines := strings.Split(text, "\n")
	must(len(lines) == 4 && lines[3] == "", "a checkpoint of three lines")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	data, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	copy(root[:], data)
	return size, root
}

func read(www, vkey string, rest []string) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	msg, err := os.ReadFile(filepath.Join(www, "checkpoint"))
	check(err)
	opened, err := note.Open(msg, note.VerifierList(verifier))
	check(err)
	size, root := parseCheckpoint(opened.Text)
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, files{www})
	again, err := tlog.TreeHash(size, hashes)
	check(err)
	must(again == root, "tiles lead to the root")
	var leaves []tlog.Hash
	for n := int64(0); int64(len(leaves)) < size; n++ {
		width := min(256, size-n*256)
		t := path(tlog.Tile{H: 8, L: 0, N: n, W: int(width)})
		data, err := os.ReadFile(filepath.Join(www, strings.Replace(t, "tile/0/", "tile/entries/", 1)))
		check(err)
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			leaves = append(leaves, tlog.RecordHash(data[2:2+length]))
			data = data[2+length:]
		}
	}
	must(int64(len(leaves)) == size, "as many entries as leaves")
	for i := int64(0); i < size; i += 1 + size/50 {
		proof, err := tlog.ProveRecord(size, i, hashes)
		check(err)
		check(tlog.CheckRecord(proof, size, root, i, leaves[i]))
		if i > 0 {
			old, err := tlog.TreeHash(i, hashes)
			check(err)
			grown, err := tlog.ProveTree(size, i, hashes)
			check(err)
			check(tlog.CheckTree(grown, size, root, i, old))
		}
	}
	if len(rest) == 2 {
		file, err := os.ReadFile(rest[0])
		check(err)
		entry, err := os.ReadFile(rest[1])
		check(err)
		head, checkpoint, _ := strings.Cut(string(file), "\n\n")
		lines := strings.Split(head, "\n")
		must(lines[0] == "c2sp.org/tlog-proof@v1", "the first line of a proof")
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
		check(err)
		var proof tlog.RecordProof
		for _, line := range lines[2:] {
			hash, err := tlog.ParseHash(line)
			check(err)
			proof = append(proof, hash)
		}
		opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
		check(err)
		size, root := parseCheckpoint(opened.Text)
		check(tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry)))
	}
	fmt.Println(size)
}

func save(www, name string, data []byte) {
	full := filepath.Join(www, name)
	check(os.MkdirAll(filepath.Dir(full), 0o755))
	check(os.WriteFile(full, data, 0o644))
}

func write(www, name string, size int64, salt string) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	bundles := map[int64][]byte{}
	for n := int64(0); n < size; n++ {
		entry := []byte(fmt.Sprintf("entry %d", n))
		if n == size/2 {
			entry = append(entry, salt...)
		}
		more, err := tlog.StoredHashes(n, entry, reader)
		check(err)
		stored = append(stored, more...)
		bundle := binary.BigEndian.AppendUint16(bundles[n/256], uint16(len(entry)))
		bundles[n/256] = append(bundle, entry...)
	}
	for _, t := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(t, reader)
		check(err)
		save(www, path(t), data)
		if t.L == 0 {
			save(www, strings.Replace(path(t), "tile/0/", "tile/entries/", 1), bundles[t.N])
		}
	}
	root, err := tlog.TreeHash(size, reader)
	check(err)
	// The same key for every log of a name, so that two of them can contradict one another.
	seed := sha256.Sum256([]byte("a key for tests"))
	public := append([]byte{1}, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(name+"\n"), public...))
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", name, id[:4],
		base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...)))
	vkey := fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(public))
	signer, err := note.NewSigner(skey)
	check(err)
	text := fmt.Sprintf("%s\n%d\n%s\n", name, size, base64.StdEncoding.EncodeToString(root[:]))
	msg, err := note.Sign(&note.Note{Text: text}, signer)
	check(err)
	save(www, "checkpoint", msg)
	fmt.Println(vkey)
}

func main() {
	args := os.Args[1:]
	if len(args) >= 3 && args[0] == "read" {
		read(args[1], args[2], args[3:])
		return
	}
	must(len(args) == 5 && args[0] == "write", "usage: read WWW VKEY [PROOF ENTRY] | write WWW NAME SIZE SALT")
	size, err := strconv.ParseInt(args[3], 10, 64)
	check(err)
	write(args[1], args[2], size, args[4])
}
