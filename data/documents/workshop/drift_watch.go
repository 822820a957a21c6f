// Package drift tells a buoy that swings around its anchor from one that has come adrift.
//
// Merrowby Buoy Works, M. Szulowski
package drift

import (
	"math"
	"time"
)

const (
	earthRadiusMetres = 6371000.0
	minSatellites     = 5   // positions with fewer satellites are ignored
	maxSpeed          = 3.5 // metres per second; faster jumps are errors of the receiver
	fixesNeeded       = 3   // one position outside the circle proves nothing
)

// Fix is one position as the receiver reported it.
type Fix struct {
	Time       time.Time
	Lat, Lon   float64
	Satellites int
}

// Watch remembers the anchor and how many positions in a row lay outside its circle.
type Watch struct {
	anchor  Fix
	radius  float64
	last    Fix
	outside int
}

// NewWatch starts with the anchor's position and the radius of the circle in metres.
func NewWatch(anchor Fix, radius float64) *Watch {
	return &Watch{anchor: anchor, radius: radius, last: anchor}
}

// Adrift takes the next position and says whether the buoy has left its circle for good.
func (w *Watch) Adrift(fix Fix) bool {
	if fix.Satellites < minSatellites || w.jumped(fix) {
		return w.outside >= fixesNeeded
	}
	w.last = fix
	if Distance(w.anchor, fix) > w.radius {
		w.outside++
	} else {
		w.outside = 0
	}
	return w.outside >= fixesNeeded
}

func (w *Watch) jumped(fix Fix) bool {
	seconds := fix.Time.Sub(w.last.Time).Seconds()
	return seconds > 0 && Distance(w.last, fix)/seconds > maxSpeed
}

// Distance returns the great-circle distance in metres, by the haversine formula.
func Distance(a, b Fix) float64 {
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	h := math.Pow(math.Sin(dLat/2), 2) +
		math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthRadiusMetres * math.Asin(math.Sqrt(h))
}
