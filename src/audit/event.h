/*-------------------------------------------------------------------------
 *
 * event.h
 *	  Events of the audit log: their columns, and their hashes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_EVENT_H
#define MLOPS_AUDIT_EVENT_H

#include "access/tupdesc.h"
#include "common/cryptohash.h"
#include "utils/relcache.h"

#include "audit/encode.h"

/* the columns of mlops.audit_event, as indexes into the arrays of an event */
typedef enum MlopsAuditColumn
{
	AUDIT_SEQ,
	AUDIT_LOG_ID,
	AUDIT_INCARNATION,
	AUDIT_PREV_HASH,
	AUDIT_OCCURRED_AT,
	AUDIT_STATEMENT_AT,
	AUDIT_TRANSACTION_AT,
	AUDIT_XID,
	AUDIT_LOGIN_ROLE,
	AUDIT_SESSION_USER_NAME,
	AUDIT_CALLER,
	AUDIT_SYSTEM_USER_NAME,
	AUDIT_ASSERTED_USER,
	AUDIT_CLIENT_ADDR,
	AUDIT_CLIENT_PORT,
	AUDIT_CLIENT_DN,
	AUDIT_APPLICATION_NAME,
	AUDIT_BACKEND_PID,
	AUDIT_BACKEND_START,
	AUDIT_DATABASE_NAME,
	AUDIT_DATABASE_OID,
	AUDIT_SYSTEM_IDENTIFIER,
	AUDIT_TIMELINE,
	AUDIT_EXTENSION_VERSION,
	AUDIT_SERVER_VERSION,
	AUDIT_ACTION,
	AUDIT_MODEL,
	AUDIT_VERSION,
	AUDIT_ALIAS,
	AUDIT_SUBJECT,
	AUDIT_REASON,
	AUDIT_CHANGE_REF,
	AUDIT_ARTIFACT_SHA256,
	AUDIT_STATE_BEFORE,
	AUDIT_STATE_AFTER,
	AUDIT_DETAIL,
	AUDIT_RELIED_ON,
	AUDIT_SIGNATURE_SHA256,
	AUDIT_POLICY_SHA256,
	AUDIT_LIBRARY_VERSION,
	AUDIT_RECORDED_AT,
	AUDIT_HASH,
	AUDIT_NCOLUMNS
} MlopsAuditColumn;

/* the values of one event, by column */
typedef struct MlopsAuditEvent
{
	Datum		values[AUDIT_NCOLUMNS];
	bool		isnull[AUDIT_NCOLUMNS];
} MlopsAuditEvent;

/* where the columns are in a given row type */
typedef struct MlopsAuditMap
{
	AttrNumber	attnum[AUDIT_NCOLUMNS];
} MlopsAuditMap;

/* what computing hashes needs: memory for the bytes, and a context */
typedef struct MlopsAuditHasher
{
	MlopsEncoder encoder;
	pg_cryptohash_ctx *sha256;
} MlopsAuditHasher;

extern void mlops_audit_map(MlopsAuditMap *map, TupleDesc tupdesc);
extern void mlops_audit_from_columns(const MlopsAuditMap *map, const Datum *values,
									 const bool *isnull, MlopsAuditEvent *event);
extern void mlops_audit_to_columns(const MlopsAuditMap *map, const MlopsAuditEvent *event,
								   Datum *values, bool *isnull);

extern bool mlops_audit_get_hash(const MlopsAuditEvent *event, MlopsAuditColumn column,
								 uint8 *hash);
extern Datum mlops_audit_hash_datum(const uint8 *hash);

extern void mlops_audit_hasher_open(MlopsAuditHasher *hasher);
extern void mlops_audit_hasher_close(MlopsAuditHasher *hasher);
extern bool mlops_audit_hash(MlopsAuditHasher *hasher, const MlopsAuditEvent *event,
							 bool missing_ok, uint8 *hash);

#endif							/* MLOPS_AUDIT_EVENT_H */
