/* battery_guard.c - protects the LiFePO4 pack of a Plover (control boards CB-3 and CB-4).
 *
 * Called once a second by the main loop. The load is cut when the pack is nearly empty and
 * comes back only after the sun has done its work, so that the buoy does not flutter between
 * on and off at dusk. Charging is refused when the cells are too cold or too hot.
 *
 * Merrowby Buoy Works, M. Szulowski
 */

#include <stdbool.h>
#include <stdint.h>

#define CUTOFF_MILLIVOLTS   11200   /* below: switch the load off, error E21 */
#define RESUME_MILLIVOLTS   12400   /* above: switch it on again */
#define OVERVOLT_MILLIVOLTS 14600   /* above: disconnect the panel, error E22 */
#define CHARGE_MIN_CELSIUS  2       /* lithium plating starts near zero */
#define CHARGE_MAX_CELSIUS  48
#define DEBOUNCE_SECONDS    30      /* waves and modem bursts pull the voltage down */

typedef struct {
    bool load_on;
    bool panel_on;
    uint16_t low_seconds;
    uint8_t error;
} guard_state;

/* Starts with everything off: the first good measurement switches the buoy on. */
void guard_reset(guard_state *state)
{
    state->load_on = false;
    state->panel_on = false;
    state->low_seconds = 0;
    state->error = 0;
}

static void update_load(guard_state *state, uint16_t millivolts)
{
    if (millivolts >= RESUME_MILLIVOLTS) {
        state->load_on = true;
        state->low_seconds = 0;
    } else if (millivolts < CUTOFF_MILLIVOLTS) {
        if (state->low_seconds < DEBOUNCE_SECONDS) {
            state->low_seconds++;
        } else {
            state->load_on = false;
            state->error = 21;
        }
    } else {
        state->low_seconds = 0;
    }
}

static bool charging_allowed(uint16_t millivolts, int8_t celsius)
{
    return millivolts < OVERVOLT_MILLIVOLTS
        && celsius >= CHARGE_MIN_CELSIUS
        && celsius <= CHARGE_MAX_CELSIUS;
}

/* One step. Returns the error code to report, 0 when all is well. */
uint8_t guard_step(guard_state *state, uint16_t millivolts, int8_t celsius)
{
    state->error = 0;
    update_load(state, millivolts);
    state->panel_on = charging_allowed(millivolts, celsius);
    if (millivolts >= OVERVOLT_MILLIVOLTS)
        state->error = 22;
    return state->error;
}
