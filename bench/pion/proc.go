package main

import (
	"fmt"
	"os"
	"strings"
)

// Linux fixes the unit of utime and stime in /proc/PID/stat at 1/100 s for user space (USER_HZ).
const usPerTick = 10000

// cpuUS is the CPU time of this process so far, in µs, of all its threads, user and system.
func cpuUS() (float64, error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold spaces; utime and stime are the 12th and 13th field behind it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system float64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	return (user + system) * usPerTick, nil
}

// rssKB is VmRSS in KB.
func rssKB() (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			var kb float64
			_, err := fmt.Sscan(strings.TrimPrefix(line, "VmRSS:"), &kb)
			return kb, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in /proc/self/status")
}
