"""Reports: fronts as charts, tables, and one page that opens offline."""
