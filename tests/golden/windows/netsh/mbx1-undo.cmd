@echo off
rem datapath.exchange: this takes back what mbx1.cmd made on mbx1. Run it there as an administrator.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It imports mbx1-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of mbx1.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as mbx1-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0mbx1-before.wfw" (echo mbx1-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0mbx1-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec mailbox-clustering 975eba60" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange clear icmp f291c608" >nul 2>&1
"%T%\netsh.exe" advfirewall mainmode delete rule name="datapath.exchange main 04039ef2" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 1932fb92" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange ff476714" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop 05160cd5" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 2b512e06" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in cluster-ping c3f43750" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in cluster-ping bcd793fa" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc a707d5a5" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc edf65727" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 3c7e0275" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 9e7ee6cd" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 13b9c948" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering 8743a017" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering f87cc60a" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding ddaeb8fd" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping 17dc73c9" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi c02b73c4" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management d9585223" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec mailbox-clustering 975eba60|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange clear icmp f291c608|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange main 04039ef2|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange 1932fb92|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange ff476714|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site ffbaf5b9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop 05160cd5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in oab-share-pull 2b512e06|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in cluster-ping c3f43750|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in cluster-ping bcd793fa|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc a707d5a5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 12& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc edf65727|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 13& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 3c7e0275|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 14& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 9e7ee6cd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 15& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-cas-to-mailbox 4d167899|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 16& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mapi-to-mailbox 13b9c948|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 17& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mailbox-clustering 8743a017|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 18& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mailbox-clustering f87cc60a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 19& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-seeding ddaeb8fd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 20& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-log-shipping 17dc73c9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 21& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-mailbox-mapi c02b73c4|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 22& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management d9585223|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 23& set "FAILED=1")
"%T%\reg.exe" delete "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem" /v "TCP/IP Port" /f >nul 2>&1
"%T%\reg.exe" delete "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters" /v "TCP/IP Port" /f >nul 2>&1
"%T%\reg.exe" delete "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters" /v "TCP/IP NSPI Port" /f >nul 2>&1
if not exist "%~dp0mbx1-registry-1.reg" goto absent1
"%T%\reg.exe" import "%~dp0mbx1-registry-1.reg" || (echo DATAPATH-FAILED 24& set "FAILED=1")
:absent1
if not exist "%~dp0mbx1-registry-2.reg" goto absent2
"%T%\reg.exe" import "%~dp0mbx1-registry-2.reg" || (echo DATAPATH-FAILED 25& set "FAILED=1")
:absent2
echo Restart MSExchangeSA MSExchangeIS: their ports count from then on.
if defined FAILED exit /b 1
del /q "%~dp0mbx1-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
