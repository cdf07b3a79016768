// An origin on Go's net/http: see README.md beside it.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	ledger, err := os.OpenFile(os.Getenv("ORIGIN_LEDGER"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("ORIGIN_PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	panic(http.Serve(listener, origin{ledger, os.Getenv("ORIGIN_NUMBER")}))
}

type origin struct {
	ledger *os.File
	number string
}

func (o origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if id != "" {
		// A write to a file that is opened for appending is one piece, even if other processes write too.
		fmt.Fprintf(o.ledger, "%s %s %s\n", r.Method, r.URL.Path, id)
	}
	w.Header().Set("X-Backend", o.number)
	w.Header().Set("X-Request-Id", id)
	what, number := order(r.URL.Path)
	switch what {
	case "die":
		// net/http answers a panic by closing the connection.
		panic("the handler of /die panics")
	case "sleep", "block":
		time.Sleep(time.Duration(number) * time.Millisecond)
	case "events":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\n", id)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	case "headers":
		for i := range number {
			w.Header().Set(fmt.Sprintf("X-Filler-%d", i), "x")
		}
	case "twice":
		sayTwice(w)
		return
	case "early":
		controller := http.NewResponseController(w)
		_ = controller.EnableFullDuplex()
		fmt.Fprintf(w, "%s\n", id)
		_ = controller.Flush()
	}
	_, _ = io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%s\n", id)
}

// order takes a path such as /sleep/300 apart.
func order(path string) (string, int) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	number, _ := strconv.Atoi(rest)
	return what, number
}

// sayTwice writes past net/http, which would refuse to say such a thing.
func sayTwice(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok\n")
}
