// A registry that is not docker's: the one in go-containerregistry's library, all of it in memory, with its list of
// referrers.
//
//	second-registry -address HOST:PORT
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "", "where to listen")
	flag.Parse()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	fmt.Fprintln(os.Stderr, "second-registry:", http.ListenAndServe(*address, handler))
	os.Exit(1)
}
