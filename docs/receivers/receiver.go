// Receives webhooks with Go's standard library.
// MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 go run receiver.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

var token = []byte(strings.TrimSpace(os.Getenv("MILEPOST_MANAGEMENT_TOKEN")))

// In production: a table with a unique key, kept for two days.
var seen sync.Map

type content struct {
	Challenge string                       `json:"challenge"`
	EventID   string                       `json:"eventId"`
	Vehicles  []struct{ RequestID string } `json:"vehicles"`
}

type event struct {
	EventType string  `json:"eventType"` // unified
	EventName string  `json:"eventName"` // v2
	EventID   string  `json:"eventId"`
	Data      content `json:"data"`    // unified
	Payload   content `json:"payload"` // v2
}

func sign(message []byte) string {
	mac := hmac.New(sha256.New, token)
	mac.Write(message)
	return hex.EncodeToString(mac.Sum(nil))
}

// What a repeated event has in common with its first delivery.
func (e event) ids() []string {
	if id := e.EventID + e.Payload.EventID; id != "" {
		return []string{id}
	}
	var ids []string
	for _, vehicle := range e.Payload.Vehicles {
		ids = append(ids, vehicle.RequestID)
	}
	return ids
}

func receive(w http.ResponseWriter, r *http.Request) {
	// The signature is over the bytes as they came: check it before anything is parsed.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || !hmac.Equal([]byte(sign(body)), []byte(r.Header.Get("SC-Signature"))) {
		http.Error(w, `{"error":"wrong signature"}`, http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, `{"error":"not JSON"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	name := e.EventType + e.EventName
	if strings.EqualFold(name, "verify") {
		challenge := e.Data.Challenge + e.Payload.Challenge
		json.NewEncoder(w).Encode(map[string]string{"challenge": sign([]byte(challenge))})
		return
	}
	again := " again"
	for _, id := range e.ids() {
		if _, known := seen.LoadOrStore(id, true); !known {
			again = ""
		}
	}
	// Put the event into a queue here, and do the work after the answer.
	fmt.Println(name + again)
	w.Write([]byte("{}"))
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on http://" + listener.Addr().String())
	log.Fatal(http.Serve(listener, http.HandlerFunc(receive)))
}
