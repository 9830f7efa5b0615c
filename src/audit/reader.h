/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  Reading the table of events in the order of their numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_READER_H
#define MLOPS_AUDIT_READER_H

#include "access/genam.h"

#include "audit/event.h"

typedef struct MlopsAuditReader
{
	Relation	table;
	Relation	index;
	MlopsAuditMap map;
	Datum	   *values;
	bool	   *isnull;
} MlopsAuditReader;

extern void mlops_audit_reader_open(MlopsAuditReader *reader);
extern void mlops_audit_reader_close(MlopsAuditReader *reader);
extern SysScanDesc mlops_audit_scan(MlopsAuditReader *reader, int64 from_seq);
extern bool mlops_audit_next(MlopsAuditReader *reader, SysScanDesc scan,
							 ScanDirection direction, MlopsAuditEvent *event);
extern void mlops_audit_scan_end(SysScanDesc scan);
extern int64 mlops_audit_seq(const MlopsAuditEvent *event);

#endif							/* MLOPS_AUDIT_READER_H */
