// boltsays tells what bbolt itself reads in a database, and what it says of damaged ones.
//
//	boltsays dump FILE...      one JSON document a line: what is in each file, bucket by bucket
//	boltsays verdicts DIR      one JSON object: for each file of DIR what `check`, and an owner's opening, end with
//
// The files of DIR are opened for writing, as an engine does it: hand it copies.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	long    = 48 // bytes from which on only length and digest are told
	patient = 5 * time.Second
)

type bucket struct {
	Sequence uint64           `json:"sequence"`
	Items    [][2]interface{} `json:"items"` // key, then value or bucket, in the order of the cursor
}

type database struct {
	SHA256   string   `json:"sha256"`
	PageSize int      `json:"page_size"`
	TXID     int      `json:"txid"`
	Problems []string `json:"problems"`
	Root     bucket   `json:"root"`
}

func told(data []byte) string {
	if len(data) < long {
		return base64.StdEncoding.EncodeToString(data)
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%d:%s", len(data), hex.EncodeToString(sum[:]))
}

func content(cursor *bolt.Cursor, open func([]byte) *bolt.Bucket, sequence uint64) bucket {
	made := bucket{Sequence: sequence, Items: [][2]interface{}{}}
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		if value != nil {
			made.Items = append(made.Items, [2]interface{}{told(key), told(value)})
			continue
		}
		inner := open(key)
		made.Items = append(made.Items, [2]interface{}{told(key), content(inner.Cursor(), inner.Bucket, inner.Sequence())})
	}
	return made
}

func open(path string, readOnly bool) *bolt.DB {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: readOnly, Timeout: time.Second})
	if err != nil {
		fail(err)
	}
	return db
}

func dump(path string) database {
	data, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	sum := sha256.Sum256(data)
	db := open(path, true)
	defer db.Close()
	made := database{SHA256: hex.EncodeToString(sum[:]), PageSize: db.Info().PageSize, Problems: []string{}}
	err = db.View(func(tx *bolt.Tx) error {
		made.TXID = tx.ID()
		made.Root = content(tx.Cursor(), tx.Bucket, 0)
		for problem := range tx.Check() {
			made.Problems = append(made.Problems, problem.Error())
		}
		return nil
	})
	if err != nil {
		fail(err)
	}
	return made
}

// check ends with 0 and silence if `bbolt check` has nothing to say.
func check(path string) {
	db := open(path, true)
	failed := db.View(func(tx *bolt.Tx) error {
		for problem := range tx.Check() {
			return problem
		}
		return nil
	})
	if failed != nil {
		fail(failed)
	}
}

// own opens as an engine does, reads everything and commits once.
func own(path string) {
	db := open(path, false)
	err := db.View(func(tx *bolt.Tx) error {
		content(tx.Cursor(), tx.Bucket, 0)
		return nil
	})
	if err != nil {
		fail(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		made, err := tx.CreateBucketIfNotExists([]byte("boltsays"))
		if err != nil {
			return err
		}
		return made.Put([]byte("key"), []byte("value"))
	})
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// verdict runs this program on one file in a process of its own, since what bbolt runs into cannot always be recovered from.
func verdict(how, path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	err := exec.CommandContext(ctx, os.Args[0], how, path).Run()
	switch exit, failed := err.(*exec.ExitError); {
	case ctx.Err() != nil:
		return "hang"
	case !failed:
		return "ok"
	case exit.ExitCode() == 1:
		return "bad"
	default:
		return "panic"
	}
}

func main() {
	debug.SetMaxStack(64 << 20)
	debug.SetMemoryLimit(512 << 20)
	out := json.NewEncoder(os.Stdout)
	switch os.Args[1] {
	case "dump":
		for _, path := range os.Args[2:] {
			if err := out.Encode(dump(path)); err != nil {
				fail(err)
			}
		}
	case "check":
		check(os.Args[2])
	case "own":
		own(os.Args[2])
	case "verdicts":
		paths, _ := filepath.Glob(filepath.Join(os.Args[2], "*"))
		found := map[string][2]string{}
		for _, path := range paths {
			found[filepath.Base(path)] = [2]string{verdict("check", path), verdict("own", path)}
		}
		if err := out.Encode(found); err != nil {
			fail(err)
		}
	}
}
